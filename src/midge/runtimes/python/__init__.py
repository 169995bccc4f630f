"""Python runtimes: which interpreters the machine has, and what an environment of each is made of.

The interpreter's prefix appears at /var/lang as on AWS (a distribution's own stays in /usr); AWS's runtime client, boto3
and what they need come from midge's own environment, pinned with it, and appear in /var/runtime. They are plain Python,
so that one set serves every version. Files in this directory run inside; see ``start.py``.
"""
