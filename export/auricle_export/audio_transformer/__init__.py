"""The Audio Transformer: sounds told from raw samples."""
