"""`parameters`: prints how many numbers each configuration learns, beside what the paper says."""

import argparse

from auricle_export.audio_transformer.configuration import table


def main(arguments: list[str]) -> int:
    """Run the command; it cannot fail."""
    parser = argparse.ArgumentParser(prog="auricle_export audio-transformer parameters", description=__doc__)
    parser.add_argument(
        "--classes", type=int, default=10, metavar="N", help="classes of the head (default: %(default)s)"
    )
    print(table(parser.parse_args(arguments).classes))
    return 0
