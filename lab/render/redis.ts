/** redis.conf for the Redis of a cluster. Redis 6 and later. */

export interface RedisInput {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** For its data; exists. */
  readonly directory: string;
}

/**
 * What was written is there again after a restart, also after SIGKILL: every write is in the kernel before it is answered
 * (`appendfsync no` leaves the disk to the kernel, which a killed process does not take along).
 */
export function renderRedis({ name, host, port, directory }: RedisInput): string {
  return `# ${name}: the state that proxies and stream managers share.
# Rendered by liveproof; changes here are overwritten.

bind            ${host}
port            ${port}
protected-mode  yes
# The lab holds the process and keeps what it writes.
daemonize       no
logfile         ""
dir             ${quoted(directory)}
# What was written survives the process.
save            ""
appendonly      yes
appendfsync     no
# Nobody is killed for memory in the middle of a check.
maxmemory       256mb
maxmemory-policy noeviction
`;
}

/** An argument of a directive (src/config.c, sdssplitargs): escapes as in C. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
