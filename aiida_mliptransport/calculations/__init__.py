"""One CalcJob per external program and task: how one run is written."""
