"""The program of the process that syncs files: it is sent open files, one at a time, and answers once each is synced.

What belongs here: that and nothing else. It is run by its path, so that it starts at once and imports nothing of the
package's. It ends when whoever started it closes the socket, or is no more.
"""

import errno
import os
import socket


def main() -> None:
    """Syncs what comes in by the socket that is standard input; answers with the system's error number."""
    with socket.socket(fileno=0) as asked:
        while True:
            _, files, _, _ = socket.recv_fds(asked, 1, 1)
            if not files:
                return
            asked.send(sync(files[0]).to_bytes(2, "little"))


def sync(file: int) -> int:
    """Syncs and closes a file; 0, or the system's error number."""
    try:
        os.fdatasync(file)
    except OSError as error:
        return error.errno or errno.EIO
    else:
        return 0
    finally:
        os.close(file)


if __name__ == "__main__":
    main()
