"""Python runs this file at its start when its folder stands in PYTHONPATH.

ministack answers the Lambda runtime in small writes; with Nagle's algorithm each warm invocation
waits some 40 ms for an acknowledgement that is itself being delayed.
"""

import socketserver

socketserver.StreamRequestHandler.disable_nagle_algorithm = True
