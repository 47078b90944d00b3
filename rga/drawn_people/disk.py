"""A file for h5py that remembers a failed write, as on a full disk."""

from io import FileIO


class Disk(FileIO):
    """A file for h5py. When a write fails, HDF5 takes the process down: it hears of none, and `check` raises it."""

    error: OSError | None = None

    def write(self, data) -> int:
        data = memoryview(data).cast("B")
        done = 0
        try:
            while done < len(data) and self.error is None:
                done += super().write(data[done:])
        except OSError as error:
            self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = error
            return size

    def check(self) -> None:
        """Raises the OSError of the first write that failed."""
        if self.error is not None:
            raise self.error
