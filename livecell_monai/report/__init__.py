"""What a person looks at: curves, overlays, pages and model cards. No torch, and matplotlib only when it draws."""
