"""``python -m oddzwon``: the same as the command ``oddzwon``."""

from oddzwon.cli import main

if __name__ == "__main__":
    main()
