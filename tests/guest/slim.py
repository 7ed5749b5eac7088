# SPDX-License-Identifier: Apache-2.0
"""Makes fio small. Debian's links Ceph, Gluster, RDMA and ICU, 80 MB that no test uses and that cost every guest
1.5 s of boot and every fio in it 0.5 s of dynamic linking. Empty libraries with the same names and symbols stand in
for them; where they cannot be made, the real ones are used."""

import os
import re
import subprocess

UNUSED = ("libgfapi", "libnbd", "libibverbs", "librdmacm", "librados", "librbd", "libpmemblk", "libpmem")


def stub_libraries(program, into):
    """Return {soname: path} of stand-ins for those of UNUSED that `program` links; {} if they do not work."""
    try:
        stubs = _make(program, into)
        env = {**os.environ, "LD_LIBRARY_PATH": into}
        subprocess.run([program, "--version"], env=env, check=True, capture_output=True)
        return stubs
    except (OSError, subprocess.CalledProcessError):
        return {}


def without(program, stubs, libraries_of):
    """The libraries `program` needs with `stubs` in place of the real ones; libraries_of is the ldd to ask."""
    libraries = dict((os.path.basename(p), p) for p in libraries_of(program))
    if not stubs:
        return list(libraries.values())
    needed, todo = {}, [n for n in _needed(program) if n not in stubs]
    while todo:
        name = todo.pop()
        if name in libraries and name not in needed:
            needed[name] = libraries[name]
            todo += _needed(libraries[name])
    return list(needed.values()) + list(stubs.values())


def _objdump(*argv):
    return subprocess.run(["objdump", *argv], env={**os.environ, "LC_ALL": "C"}, text=True, check=True,
                          capture_output=True).stdout


def _needed(path):
    return re.findall(r"NEEDED\s+(\S+)", _objdump("-p", path))


def _make(program, into):
    os.makedirs(into)
    headers = _objdump("-p", program)
    versions = dict(re.findall(r"required from (\S+):\n((?:    .*\n)+)", headers))
    undefined = re.findall(r"\*UND\*\s+[0-9a-f]+\s+(?:\((\S+)\)|Base)\s+(\S+)", _objdump("-T", program))
    stubs = {}
    for soname in re.findall(r"NEEDED\s+(\S+)", headers):
        name = soname.split(".")[0]
        if name not in UNUSED:
            continue
        wanted = re.findall(r"(\S+)\n", versions.get(soname, ""))
        script, symbols = [], [s for v, s in undefined if not v and s.startswith(name[3:] + "_")]
        for version in wanted:
            mine = [s for v, s in undefined if v == version]
            symbols += mine
            script.append(f"{version} {{ global: {' '.join(s + ';' for s in mine)} }};")
        stubs[soname] = _compile(into, soname, symbols, script)
    return stubs


def _compile(into, soname, symbols, script):
    path = os.path.join(into, soname)
    with open(path + ".c", "w", encoding="ascii") as f:
        f.writelines(f"void {s}(void) {{ __builtin_trap(); }}\n" for s in symbols)
    argv = ["cc", "-w", "-shared", "-nostdlib", "-fno-builtin", f"-Wl,-soname,{soname}", "-o", path, path + ".c"]
    if script:
        with open(path + ".map", "w", encoding="ascii") as f:
            f.write("\n".join(script))
        argv.append(f"-Wl,--version-script,{path}.map")
    subprocess.run(argv, check=True, capture_output=True)
    return path
