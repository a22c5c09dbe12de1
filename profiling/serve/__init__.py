"""A web page and a REST endpoint over a panel of profilers: ``profiling serve``, extra ``profiling[serve]``.

request -> place in the queue -> recording in a temporary folder -> the one model thread -> answer; nothing is kept
"""
