"""`python -m livecell_monai.cli`, the command where no script is on the path."""

from livecell_monai.cli import main

main()
