"""`python -m livecell_monai.cli`, the command without its script."""

from livecell_monai.cli import main

main()
