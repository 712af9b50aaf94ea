"""Charts: data to drawn shapes; templates turn the shapes into SVG."""
