"""Programs that mean harm, and a few that only went wrong.

``PROGRAMS`` are reward programs; lint stops most, and the tests also run each of
them without it. ``ATTACKS`` are plain Python for a child in which the attacker
already runs what they like; each sets ``outcome = "BREACH"`` if it gets through.
"""

HEAD = 'WEIGHTS = {"a": 1.0}\n'


def program(body: str, *, top: str = "", result: str = "x, {'x': x}") -> str:
    """A reward program with these lines in its function."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return (
        f"{HEAD}{top}\ndef reward(state, action, next_state, w):\n"
        f"    x = jnp.sum(action)\n{lines}    return {result}\n"
    )


_SUBCLASSES = "().__class__.__base__.__subclasses__()"
_OS = f"[c for c in {_SUBCLASSES} if c.__name__ == '_wrap_close'][0].__init__.__globals__"
_BUILTINS = (
    f"[c for c in {_SUBCLASSES} if c.__name__ == 'catch_warnings'][0]()._module.__builtins__"
)

PROGRAMS = {
    # imports
    "import os": program("import os\nos.system('touch MARK')"),
    "import at top": program("", top="import subprocess\nsubprocess.run(['touch', 'MARK'])\n"),
    "from import": program("from os import system\nsystem('touch MARK')"),
    "import jax and call back": program(
        "import jax\njax.debug.callback(lambda v: open('MARK', 'w'), x)"
    ),
    "dunder import": program("__import__('os').system('touch MARK')"),
    "importlib through loader": program("m = __loader__.load_module('os')\nm.system('touch MARK')"),
    "import in default argument": program("", top="def f(a=__import__('os')):\n    return a\n"),
    "import in decorator": program("", top="@__import__\ndef f(a):\n    return a\n"),
    "import in annotation": program("y: __import__('os').system('touch MARK') = 1"),
    # walks to real Python
    "subclasses walk": program(f"{_OS}['system']('touch MARK')"),
    "subclasses open": program(f"{_BUILTINS}['open']('MARK', 'w')"),
    "globals of a helper": program(
        "f.__globals__['__builtins__']", top="def f(a):\n    return a\n"
    ),
    "globals of the facade": program("jnp.sum.__globals__['os'].system('touch MARK')"),
    "module of the facade": program("jnp.sum.__wrapped__.__globals__"),
    "class of the facade": program("type(jnp).__getattribute__(jnp, '_names')"),
    "class of the state": program("state.__class__.__init__.__globals__"),
    "slots of the state": program("state._vector[0]"),
    "mro": program("x.__class__.__mro__[-1].__subclasses__()"),
    "frame of a generator": program("g = (i for i in [1])\ng.gi_frame.f_back.f_globals"),
    "code object": program("reward.__code__.replace(co_consts=())"),
    "traceback frames": program(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n"
        "    e.__traceback__.tb_frame.f_back.f_globals"
    ),
    "tracer internals": program("x._trace.parent_trace"),
    "tracer to the trace's module": program("x.aval.__class__.__init__.__globals__['sys'].exit()"),
    # getattr and format-string tricks
    "getattr": program("getattr(jnp, 'sum')(x)"),
    "getattr with a built name": program("getattr(x, '__cl' + 'ass__')"),
    "vars": program("vars()"),
    "setattr on state": program("setattr(state, 'x', 1)"),
    "format attribute": program("'{0.__class__.__init__.__globals__}'.format(state)"),
    "format_map": program("'{a.__class__}'.format_map({'a': state})"),
    "f-string": program("f'{state.__class__}'"),
    "percent": program("'%s' % x"),
    "string join": program("''.join(['a'])"),
    "eval": program("eval('1')"),
    "exec": program("exec('import os')"),
    "compile": program("compile('1', '', 'eval')"),
    "input": program("input()"),
    "print": program("print(x)"),
    "open to write": program("open('MARK', 'w')"),
    "open to read": program("open('/etc/passwd').read()"),
    "breakpoint": program("breakpoint()"),
    # size and time
    "huge range": program("for i in range(10**9):\n    x = x + i"),
    "nested ranges": program(
        "for i in range(60):\n    for j in range(60):\n"
        "        for k in range(60):\n            x = x + i"
    ),
    "while true": program("while True:\n    x = x"),
    "endless generator": program("sum(1 for _ in iter(int, 1))"),
    "recursion": program("x = f(x)", top="def f(a):\n    return f(a)\n"),
    "mutual recursion": program(
        "x = f(x)", top="def f(a):\n    return g(a)\ndef g(a):\n    return f(a)\n"
    ),
    "huge power": program("y = 10 ** 10 ** 10"),
    "huge shift": program("y = 1 << 10 ** 10"),
    "huge list": program("y = [0] * 10 ** 11"),
    "huge tuple": program("y = (0,) * 10 ** 11"),
    "huge string": program("y = 'a' * 10 ** 11"),
    "huge zeros": program("x = x + jnp.sum(jnp.zeros((100000, 100000)))"),
    "huge arange": program("x = x + jnp.sum(jnp.arange(1e12))"),
    "outer blow-up": program(
        "y = jnp.ones(5000)\n"
        "x = x + jnp.sum(y[:, None, None] * y[None, :, None] * y[None, None, :])"
    ),
    "exponential expression": program("\n".join(["y = x"] + ["y = y + y * y"] * 300)),
    "list that grows": program("y = [0]\nfor i in range(60):\n    y = y + y"),
    "deep nesting": program("y = " + "(" * 150 + "x" + ")" * 150),
    "many terms": program("", result="x, {str(i): x for i in range(10000)}"),
    # endings and exceptions
    "exit": program("exit()"),
    "system exit": program("raise SystemExit"),
    "catch everything": program(
        "while True:\n    try:\n        x = x + 1\n    except BaseException:\n        pass"
    ),
    "catch and go on": program("try:\n    state.nothing\nexcept Exception:\n    pass"),
    "del": program("del x"),
    "assert": program("assert x > 0"),
    # poisoning what is shared
    "patch the facade": program("jnp.sum = None"),
    "patch linalg": program("jnp.linalg.norm = lambda v: 0"),
    "patch builtins": program("__builtins__['sum'] = None"),
    "patch the state class": program("state.__class__.__getattr__ = lambda s, n: 0"),
    "global": program("global WEIGHTS\nWEIGHTS = {}"),
    "poison the tracer class": program("x.__class__.__add__ = lambda a, b: a"),
    "hidden memory": program("f.calls = 1\nx = x * f.calls", top="def f(a):\n    return a\n"),
    "metaclass": program("", top="class A(metaclass=type):\n    pass\n"),
    "async": program("", top="async def f():\n    pass\n"),
    "yield": program("yield x"),
    "walrus in comprehension": program("y = [z := 1 for _ in range(3)]"),
    "star import": program("", top="from os import *\n"),
    # answers that lie about themselves
    "reward is not a function": f"{HEAD}reward = 1\n",
    "no return": f"{HEAD}def reward(state, action, next_state, w):\n    pass\n",
    "lying terms": program("", result="x, {'x': [x, x]}"),
    "term names are not names": program("", result="x, {1: x}"),
    "object as reward": program("", result="state, {'x': x}"),
}

ATTACKS = {
    "write a file": "open(request['mark'], 'w').write('x'); outcome = 'BREACH'",
    "write in /tmp": "open('/tmp/reward_synth_breach', 'w').write('x'); outcome = 'BREACH'",
    "append to its own source": (
        "import reward_synth; open(reward_synth.__file__, 'a'); outcome = 'BREACH'"
    ),
    "truncate": "import os; os.truncate(request['victim'], 0); outcome = 'BREACH'",
    "unlink": "import os; os.unlink(request['victim']); outcome = 'BREACH'",
    "rename": "import os; os.rename(request['victim'], request['mark']); outcome = 'BREACH'",
    "chmod": "import os; os.chmod(request['victim'], 0o777); outcome = 'BREACH'",
    "symlink": "import os; os.symlink('/etc/passwd', request['mark']); outcome = 'BREACH'",
    "mkdir": "import os; os.mkdir(request['mark']); outcome = 'BREACH'",
    "read a user's file": "open(request['victim']).read(); outcome = 'BREACH'",
    "read /etc/passwd": "open('/etc/passwd').read(); outcome = 'BREACH'",
    "list the home folder": "import os; os.listdir('/root'); outcome = 'BREACH'",
    "read the parent's environment": (
        "import os; open(f'/proc/{os.getppid()}/environ').read(); outcome = 'BREACH'"
    ),
    "read the parent's memory": (
        "import os; open(f'/proc/{os.getppid()}/mem', 'rb').read(1); outcome = 'BREACH'"
    ),
    "read its own environment": (
        "import os; outcome = 'BREACH' if any('SECRET' in k for k in os.environ) else 'clean'"
    ),
    "connect": (
        "import socket; socket.create_connection(('127.0.0.1', request['port']), 1); "
        "outcome = 'BREACH'"
    ),
    "listen": "import socket; socket.socket().bind(('127.0.0.1', 0)); outcome = 'BREACH'",
    "datagram": (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
        ".sendto(b'x', ('127.0.0.1', request['port'])); outcome = 'BREACH'"
    ),
    "unix socket": "import socket; socket.socket(socket.AF_UNIX); outcome = 'BREACH'",
    "socket pair": "import socket; socket.socketpair(); outcome = 'BREACH'",
    "fork": "import os; os.fork(); outcome = 'BREACH'",
    "vfork through ctypes": (
        "import ctypes; outcome = 'BREACH' if ctypes.CDLL(None).syscall(58) >= 0 else 'refused'"
    ),
    "fork bomb": "import os\nfor _ in range(100): os.fork()\noutcome = 'BREACH'",
    "shell": "import os; outcome = 'BREACH' if os.system('true') == 0 else 'refused'",
    "subprocess": "import subprocess; subprocess.run(['/bin/true']); outcome = 'BREACH'",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "posix_spawn": "import os; os.posix_spawn('/bin/true', ['true'], {}); outcome = 'BREACH'",
    "kill the parent": "import os; os.kill(os.getppid(), 9); outcome = 'BREACH'",
    "kill everybody": "import os; os.kill(-1, 9); outcome = 'BREACH'",
    "signal the parent's thread": (
        "import ctypes, os; p = os.getppid(); "
        "outcome = 'BREACH' if ctypes.CDLL(None).syscall(234, p, p, 9) == 0 else 'refused'"
    ),
    "ptrace the parent": (
        "import ctypes, os; outcome = 'BREACH' "
        "if ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0 else 'refused'"
    ),
    "process_vm_readv": (
        "import ctypes, os; outcome = 'BREACH' "
        "if ctypes.CDLL(None).syscall(310, os.getppid(), 0, 0, 0, 0, 0) >= 0 else 'refused'"
    ),
    "become root again": "import os; os.setuid(0); outcome = 'BREACH'",
    "raise a limit": (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1)); outcome = 'BREACH'"
    ),
    "take privileges back": (
        "import ctypes; outcome = 'BREACH' if ctypes.CDLL(None).prctl(38, 0, 0, 0, 0) == 0 "
        "else 'refused'"
    ),
    "mount": (
        "import ctypes; outcome = 'BREACH' "
        "if ctypes.CDLL(None).mount(b'none', b'/mnt', b'tmpfs', 0, None) == 0 else 'refused'"
    ),
    "chroot": "import os; os.chroot('/'); outcome = 'BREACH'",
    "new namespace": (
        "import ctypes; outcome = 'BREACH' if ctypes.CDLL(None).unshare(0x10000000) == 0 "
        "else 'refused'"
    ),
    "io_uring": (
        "import ctypes; outcome = 'BREACH' if ctypes.CDLL(None).syscall(425, 8, 0) >= 0 "
        "else 'refused'"
    ),
    "bpf": (
        "import ctypes; outcome = 'BREACH' if ctypes.CDLL(None).syscall(321, 0, 0, 0) >= 0 "
        "else 'refused'"
    ),
    "memory file": "import os; os.memfd_create('x'); outcome = 'BREACH'",
    "32-bit call": (
        "import ctypes; outcome = 'BREACH' "
        "if ctypes.CDLL(None).syscall(0x40000000 + 41, 2, 1, 0) >= 0 else 'refused'"
    ),
    "have the parent signalled": (
        "import fcntl, os; fcntl.fcntl(1, 8, os.getppid()); fcntl.fcntl(1, 10, 9); "
        "outcome = 'BREACH'"
    ),
    "flood the output": (
        "import os\nfor _ in range(1000): os.write(1, b'x' * 65536); os.write(2, b'x' * 65536)\n"
        "outcome = 'into nowhere'"
    ),
    "open many files": ("f = [open('/dev/null') for _ in range(1000)]; outcome = 'BREACH'"),
}

# These end the child; what is tested is that they end nothing else.
LAST_WORDS = {
    "memory hog": "x = bytearray(20 << 30)\noutcome = 'BREACH'",
    "memory hog in pieces": "x = []\nwhile True: x.append(bytearray(64 << 20))",
    "endless loop": "while True: pass",
    "endless sleep": "import time\ntime.sleep(1000)",
    "stack overflow": "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    "segmentation fault": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "hard exit": "import os\nos._exit(0)",
    "ignores signals": (
        "import signal\nfor s in (2, 15, 24): signal.signal(s, signal.SIG_IGN)\nwhile True: pass"
    ),
    "flood the answer": (
        "import os\n"
        "for fd in range(3, 64):\n"
        "    try:\n"
        "        while True: os.write(fd, b'\\x7f' * 65536)\n"
        "    except OSError: pass"
    ),
    "forge a huge answer": (
        "import os, struct\n"
        "for fd in range(3, 64):\n"
        "    try: os.write(fd, struct.pack('>I', 2**32 - 1))\n"
        "    except OSError: pass\n"
        "os._exit(0)"
    ),
    "answer with garbage": (
        "import os, struct\n"
        "for fd in range(3, 64):\n"
        "    try: os.write(fd, struct.pack('>I', 5) + b'[[[[[')\n"
        "    except OSError: pass\n"
        "os._exit(0)"
    ),
    "close everything": "import os\nos.closerange(0, 1000)\nwhile True: pass",
}
