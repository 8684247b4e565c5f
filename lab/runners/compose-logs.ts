/** What containers write, in files of this machine: where the evidence of a gate looks for it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { docker } from './docker.ts';

/** What Docker knows of a container that is over: 139 is a SIGSEGV, 137 a SIGKILL, ours or that of its memory limit. */
const HOW_IT_ENDED =
  'ended with {{.State.ExitCode}}{{if .State.OOMKilled}}: it took more memory than it may{{end}}';

export class ContainerLogs {
  readonly #directory: string;
  readonly #followers = new Map<string, ChildProcess>();

  /** @param directory made when missing; a node's file is `<name>.log`. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  fileOf(node: string): string {
    return path.join(this.#directory, `${node}.log`);
  }

  /**
   * From here on, or from `since`: a follower ends with the container, of which the file says then how it ended, so that
   * one that is started again needs another. What cannot be followed is told in the file.
   */
  follow(node: string, container: string, since?: Date): void {
    this.#followers.get(node)?.kill('SIGTERM');
    mkdirSync(this.#directory, { recursive: true });
    const file = openSync(this.fileOf(node), 'a');
    const from = since === undefined ? [] : ['--since', since.toISOString()];
    const follower = spawn('docker', ['logs', '--follow', ...from, container], {
      stdio: ['ignore', file, file],
      shell: false,
    });
    // Without its log a node is what it was.
    follower.on('error', () => {});
    follower.once('close', () => {
      if (this.#followers.get(node) === follower) void this.#tellEnd(node, container);
    });
    closeSync(file);
    this.#followers.set(node, follower);
  }

  async #tellEnd(node: string, container: string): Promise<void> {
    const told = await docker(['inspect', '--format', HOW_IT_ENDED, container]).catch(() => '');
    if (told !== '' && this.#followers.has(node)) appendFileSync(this.fileOf(node), `-- ${told}\n`);
  }

  /** Resolves when no follower is left. */
  async end(): Promise<void> {
    const running = [...this.#followers.values()].filter(
      ({ pid, exitCode, signalCode }) => pid !== undefined && exitCode === null && signalCode === null,
    );
    this.#followers.clear();
    await Promise.all(
      running.map(
        (follower) =>
          new Promise<void>((resolve) => {
            follower.once('close', () => resolve());
            follower.kill('SIGTERM');
          }),
      ),
    );
  }
}
