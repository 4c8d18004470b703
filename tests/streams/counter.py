"""The machine-readable frame counter in the pictures (`record/page.js` draws it): 8 by 3 cells over the upper 60 %.

Twelve cells are the counter modulo 4096, the highest bit first; twelve are `counter * 2741 + 1201` modulo 4096, so that
a damaged picture is not taken for another. The cells are large: they outlive quantisation and a quarter of the size.
"""

import numpy as np

COLUMNS, ROWS = 8, 3
MODULUS = 4096
# Between black and white there is nothing: a cell in these shades is damaged.
DARK, BRIGHT = 90, 165


def proof(counter: int) -> int:
    """The second half of the cells."""
    return (counter * 2741 + 1201) % MODULUS


def read(luma: np.ndarray) -> int | None:
    """The counter in a picture of brightness (height by width); `None`: it cannot be read, or is not proven."""
    height, width = luma.shape
    bits = []
    for cell in range(COLUMNS * ROWS):
        column, row = cell % COLUMNS, cell // COLUMNS
        cell_width, cell_height = width / COLUMNS, height * 0.6 / ROWS
        left, top = (column + 0.3) * cell_width, (row + 0.3) * cell_height
        right, bottom = left + 0.4 * cell_width, top + 0.4 * cell_height
        shade = float(luma[int(top) : int(bottom), int(left) : int(right)].mean())
        if DARK < shade < BRIGHT:
            return None
        bits.append(shade >= BRIGHT)
    counter, proven = (int("".join("01"[bit] for bit in half), 2) for half in (bits[:12], bits[12:]))
    return counter if proof(counter) == proven else None
