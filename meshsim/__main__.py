"""Entry point of ``python -m meshsim`` and of the ``meshsim`` console script."""

from meshsim.cli import main

if __name__ == "__main__":
    main()
