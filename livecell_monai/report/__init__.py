"""What a person looks at: curves, overlays, the gallery and the model card. No torch, and matplotlib only when it draws.

Images and masks are (Y, X); figures are written whole or not at all. Nothing is re-exported: import from the modules, so
that one figure does not load what another needs.
"""
