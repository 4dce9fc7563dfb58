"""From a read image to maps and masks on its own grid: windows, backends, large images."""
