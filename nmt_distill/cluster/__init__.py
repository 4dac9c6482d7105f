"""Labelling on a Ray cluster: one worker a device, one shard at a time, and what a lost worker had begun is done again.

The workers write into the one run folder, on a disk that all machines see; the process that starts them loads no model.
"""
