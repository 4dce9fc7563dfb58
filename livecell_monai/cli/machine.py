"""The command about the machine that all others run on."""

from livecell_monai.cli.app import Set, app, read_settings
from livecell_monai.cli.tables import show_table


@app.command()
def probe(set_: Set = []) -> None:  # noqa: B006
    """Time a training step as it is and compiled; from then on `train` compiles where that gains. Takes about a minute.

    Example: `livecell probe`
    """
    from livecell_monai.training.compiling import GAIN, LEAST_MINUTES, probe_machine

    timings = probe_machine(read_settings(set_))
    rows = [[timing.way, f"{timing.samples_per_s:.1f}", f"{timing.first_s:.1f}"] for timing in timings]
    show_table(["way", "samples per second", "first step, s"], rows)
    if timings[-1].way != "compiled":
        print("torch.compile does not work here: it needs a C++ compiler (g++), or a GPU with Triton")
    print(
        f"noted: trainings of {LEAST_MINUTES:g} minutes or more, or by epochs, compile where that is {GAIN:g} times as fast"
    )
