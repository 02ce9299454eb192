"""A server for a scorer of kind http: 1 for answers of at most `most` characters. Usage: answer_length.py [PORT]"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Scorer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        rollout = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prediction, most = rollout["prediction"], rollout["settings"].get("most", 100)
        reply = json.dumps({"score": prediction is not None and len(prediction) <= most}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format, *args):
        pass


with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9000), Scorer) as server:
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
