"""``python -m obra`` is the command ``obra``."""

from obra.cli import main

if __name__ == "__main__":
    main()
