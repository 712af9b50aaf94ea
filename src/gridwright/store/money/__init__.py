"""Bills, corrections and the totals behind them."""
