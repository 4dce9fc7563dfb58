"""The recipe of the student report, unshortened but for the clock: `livecell train DATA --recipe original --minutes M`.

Run: `run.py DATA RESULTS --minutes M`.
"""

from peers.livecell.run import train_and_predict

if __name__ == "__main__":
    train_and_predict("--recipe", "original", separates_cells=False)
