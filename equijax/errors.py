"""The errors equijax raises on purpose; each message names what was wrong, the number, the place and the remedy."""


class EquijaxError(Exception):
    """Base of every error that is about the user's input or machine; the command line prints it in one line and exits with 2."""


class SnapshotError(EquijaxError):
    """A configuration is not usable: shapes, numbers, types, box, or particles on top of each other."""


class DataFormatError(EquijaxError):
    """A file is not what its name or place promises."""


class ConfigError(EquijaxError):
    """A setting is unknown, out of range or contradicts another."""


class ConvergenceError(EquijaxError):
    """An iteration ended without reaching its tolerance."""


class TrainingError(EquijaxError):
    """Training cannot go on; the last good state is kept."""


class CheckpointError(EquijaxError):
    """A run folder or checkpoint cannot be used with this code or configuration."""


class DownloadError(EquijaxError):
    """A public data set could not be fetched whole."""
