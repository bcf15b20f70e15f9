"""``python -m wattscope``."""

from wattscope.cli import main

if __name__ == "__main__":
    main()
