"""Our own default from random weights, as the other tools are trained: `livecell train DATA --start none --minutes M`.

Run: `run.py DATA RESULTS --minutes M`.
"""

from peers.livecell.run import train_and_predict

if __name__ == "__main__":
    train_and_predict("--start", "none")
