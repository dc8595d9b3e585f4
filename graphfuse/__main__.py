"""`python -m graphfuse` is the command line."""

from graphfuse.cli.main import main

if __name__ == "__main__":
    main()
