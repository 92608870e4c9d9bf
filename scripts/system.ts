/**
 * System: programs of other people that the tests are held against, and that no
 * npm package carries. Installed where this is Debian and we may; elsewhere the
 * tests that need one say so.
 */

/** A program or module, how to see that it is there, and the Debian packages that bring it. */
interface Need {
  what: string;
  probe: readonly string[];
  packages: readonly string[];
}

/** What the tests and proofs need. */
const NEEDED: readonly Need[] = [
  { what: "git", probe: ["git", "--version"], packages: ["git"] },
  {
    what: "python3 with gRPC",
    probe: ["/usr/bin/python3", "-c", "import grpc"],
    packages: ["python3", "python3-grpcio"],
  },
  { what: "faketime", probe: ["faketime", "--version"], packages: ["faketime"] },
  { what: "redis-server", probe: ["redis-server", "--version"], packages: ["redis-server"] },
  { what: "strace", probe: ["strace", "--version"], packages: ["strace"] },
  { what: "a C compiler", probe: ["gcc", "--version"], packages: ["gcc", "libc6-dev"] },
  {
    what: "HTTP/2 for C",
    probe: ["test", "-e", "/usr/include/nghttp2/nghttp2.h"],
    packages: ["libnghttp2-dev"],
  },
  { what: "protoc", probe: ["protoc", "--version"], packages: ["protobuf-compiler", "libprotobuf-dev"] },
  {
    what: "protoc's Python gRPC plugin",
    probe: ["which", "grpc_python_plugin"],
    packages: ["protobuf-compiler-grpc", "python3-protobuf"],
  },
];

/** Installs what the tests miss, if it can. Returns what is still missing. */
export function installSystem(): string[] {
  return installPrograms(NEEDED);
}

/** Installs what is missing, if it can. Returns what is still missing. */
export function installPrograms(needed: readonly Need[]): string[] {
  const missing = needed.filter(({ probe }) => !succeeds(probe));
  if (missing.length === 0) return [];
  if (process.getuid?.() === 0 && succeeds(["which", "apt-get"])) {
    const packages = missing.flatMap((need) => need.packages);
    process.stdout.write(`Installing ${packages.join(" ")}\n`);
    const quiet = {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "ignore", "inherit"] as const,
    };
    Bun.spawnSync(["apt-get", "update", "-qq"], { ...quiet, stdio: [...quiet.stdio] });
    Bun.spawnSync(["apt-get", "install", "-y", "-qq", ...packages], { ...quiet, stdio: [...quiet.stdio] });
  }
  return needed.filter(({ probe }) => !succeeds(probe)).map(({ what }) => what);
}

function succeeds(argv: readonly string[]): boolean {
  try {
    return Bun.spawnSync([...argv], { stdio: ["ignore", "ignore", "ignore"] }).exitCode === 0;
  } catch {
    return false;
  }
}
