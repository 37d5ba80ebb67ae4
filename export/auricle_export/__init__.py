"""Sets Auricle up and makes its models; never needed at run time.

`python -m auricle_export COMMAND` is what the Makefile calls. The modules of set-up (`packages`, `environment`,
`library`, `fetch` and what they import) use the standard library alone, so they run before anything is installed.
"""

import os

# Before anything imports onnxruntime, which reports its use to its maker otherwise.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.2.0"
