"""Answers read requests for one engine over standard input and output, so that a
test run pays for starting Python and the engine once.

Request:  {"table": ..., "snapshot": 0 or id, "rows": false}
Reply:    {"rows": n, "sum64": hex} or {"lines": [...]} or {"error": text}
"""
import contextlib, hashlib, io, json, os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import judge  # noqa: E402

engine = sys.argv[1]
out = os.fdopen(os.dup(1), 'w', encoding='utf-8')
os.dup2(2, 1)  # what an engine prints must not mix with the replies
for line in sys.stdin:
    q = json.loads(line)
    notes = io.StringIO()
    try:
        with contextlib.redirect_stderr(notes):
            it = judge.read(engine, q['table'], q['snapshot'] or None, None, 'snapshot')
            if q['rows']:
                reply = {'lines': sorted(it, key=lambda x: x.encode())}
            else:
                n = s = 0
                for l in it:
                    n += 1
                    s += int.from_bytes(hashlib.sha256(l.encode()).digest()[:8], 'big')
                reply = {'rows': n, 'sum64': f'{s % 2**64:016x}'}
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # Rust panics arrive as BaseException
        reply = {'error': f'{type(e).__name__}: {e}'}
    if 'warning' in notes.getvalue():
        reply['warning'] = notes.getvalue()
    out.write(json.dumps(reply) + '\n')
    out.flush()
os._exit(0)  # some engines' threads abort during interpreter shutdown
