"""Files that appear whole or not at all, what identifies their contents, and lines of text."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import mmap
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from nmt_distill.errors import NmtDistillError
from nmt_distill.lock import WRITER_SUFFIX, remove_writer, sole_writer

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

PARTIAL_SUFFIX = ".partial"


@contextlib.contextmanager
def atomic_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that replaces ``path`` when the block ends well, and leaves no trace when it does not.

    Who may read and write ``path`` stays as it is.

    :param mode: ``"w"`` for UTF-8 text with LF line ends, ``"wb"`` for bytes
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL_SUFFIX)
    try:
        with os.fdopen(descriptor, mode, **text_options(mode)) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(partial, stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise


def text_options(mode: str) -> dict[str, Any]:
    """Say how :func:`open` opens text: as UTF-8 with LF line ends; bytes need nothing."""
    return {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a new folder to fill; it replaces ``path`` when the block ends well.

    A link stays, and what it names is replaced. Whoever may read a new file may read all that are put there.

    :raises NmtDistillError: if that is the folder in which the command runs, or above it, or another process writes it
    """
    if path.name in ("", ".."):
        raise NmtDistillError(f"{path} cannot be replaced from within; go elsewhere, and name the folder itself.")
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with sole_writer(path):
        remove_partials(path)
        partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL_SUFFIX))
        try:
            yield partial
            for file in partial.rglob("*"):  # safetensors gives its files to their owner alone
                file.chmod(stat.S_IMODE(file.stat().st_mode) | 0o666 & ~_umask())
            partial.chmod(0o777 & ~_umask())
            _put(partial, path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def _put(partial: Path, path: Path) -> None:
    """Move a folder to where it belongs, in the place of what stands there."""
    if not path.exists():
        os.replace(partial, path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL_SUFFIX))
    os.replace(path, old / path.name)
    os.replace(partial, path)
    shutil.rmtree(old)


def remove_partials(path: Path) -> None:
    """Remove what a killed run left while it wrote ``path``."""
    _remove_all(path.parent.glob(f".{path.name}.*{PARTIAL_SUFFIX}"))
    remove_writer(path)


def remove_partials_below(folder: Path) -> None:
    """Remove what a killed run left anywhere in a folder that belongs to it alone."""
    _remove_all([path for path in folder.rglob(".*") if path.suffix in (PARTIAL_SUFFIX, WRITER_SUFFIX)])


def _remove_all(partials: Iterable[Path]) -> None:
    for partial in partials:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def map_file(path: Path) -> mmap.mmap:
    """Map a file for reading; it stays open as long as something looks at it.

    Many files can be mapped at once: where the system lets a process open more than it does by default, that is asked
    for.

    :raises NmtDistillError: if too many files are open all the same
    :raises OSError: if it cannot be read
    """
    for is_last in (False, True):
        try:
            with path.open("rb") as stream:
                return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            if is_last or not _allow_more_files():
                raise NmtDistillError(
                    f"{path} cannot be opened, because this process has as many files open as it may; raise that with "
                    "`ulimit -n`."
                ) from None
    raise AssertionError


def _allow_more_files() -> bool:
    """Ask for the most files that this process may have open; False where it had that already."""
    if resource is None:
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # a system that names no limit, and has one
        return False
    return True


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON with sorted keys, atomically."""
    with atomic_file(path) as stream:
        json.dump(content, stream, ensure_ascii=False, indent=1, sort_keys=True)
        stream.write("\n")


def read_json(path: Path, *, remedy: str = "delete it and run the stage again") -> Any:
    """Read JSON; a file that is missing or damaged is an error that names it and says what to do."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NmtDistillError(f"{path} does not exist.") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise NmtDistillError(f"{path} is not valid JSON ({error}); {remedy}.") from None


def fingerprint(content: Any) -> str:
    """Name JSON-like ``content`` by 16 hexadecimal digits of its SHA-256."""
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 file without their LF; only LF ends a line, a CR before it is kept.

    :raises NmtDistillError: if the file is missing, or at the first line that is not valid UTF-8
    """
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    yield line.decode("utf-8").removesuffix("\n")
                except UnicodeDecodeError as error:
                    raise NmtDistillError(
                        f"{path}, line {number}: not valid UTF-8 (byte {error.start + 1} of the line is "
                        f"0x{line[error.start]:02x}); convert the file, for example with iconv."
                    ) from None
    except FileNotFoundError:
        raise NmtDistillError(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise NmtDistillError(f"{path} is a folder, but must be a text file.") from None


def read_sentences(path: Path) -> list[str]:
    """Return the lines of :func:`read_lines` as :func:`as_sentences` has them.

    :raises NmtDistillError: as that does
    """
    return list(as_sentences(read_lines(path)))


def as_sentences(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines without the byte order mark that some editors put before the first, and the CR that they end with."""
    for number, line in enumerate(lines):
        yield (line if number else line.removeprefix("\ufeff")).removesuffix("\r")


def write_lines(path: Path, lines: Iterator[str] | list[str]) -> int:
    """Write one line per item, atomically; return how many.

    :raises NmtDistillError: if an item holds an LF, which would shift every later line
    """
    count = 0
    with atomic_file(path) as stream:
        for line in lines:
            if "\n" in line:
                raise NmtDistillError(f"{path}, line {count + 1}: the text holds a line break: {line[:60]!r}.")
            stream.write(line + "\n")
            count += 1
    return count


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
