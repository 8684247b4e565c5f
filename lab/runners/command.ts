/** Runs a program to its end, as an argument list that no shell reads, bounded in time and output. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { killGroup } from './process-group.ts';

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** It is killed after that. Default 60 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /**
   * It is killed together with what it has started, and no Ctrl-C of this terminal reaches it, nor can it ask there for
   * anything. Default false.
   */
  readonly apart?: boolean;
}

const TIMEOUT_MS = 60_000;
/** Of each stream; what comes after is dropped. */
const MAX_OUTPUT = 4 * 1024 * 1024;
const SHOWN = 2000;
/** What a program wrote is there soon after its end, unless something that it has started has its output, too, and goes on. */
const OUTPUT_WITHIN_MS = 500;

/** Why a program did not do its work; the message has the end of what it wrote. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Resolves when it has ended with 0, whatever of it goes on in the background. Rejects with CommandError. */
export function runCommand(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [program = '', ...args] = argv;
  const { timeoutMs = TIMEOUT_MS, apart = false } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: false,
      detached: apart,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (output[name].length < MAX_OUTPUT) output[name] += text;
      });
    }
    let why: string | undefined;
    const end = (reason: string): void => {
      why ??= reason;
      kill(child, apart);
    };
    const timer = setTimeout(() => end(`not done in ${timeoutMs} ms`), timeoutMs);
    const onAbort = (): void => end('interrupted');
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const settle = (failure?: string): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      if (failure === undefined) resolve({ ...output });
      else reject(new CommandError(`${argv.join(' ')}: ${failure}`));
    };
    const onEnd = (code: number | null, signal: NodeJS.Signals | null): void => {
      // What was interrupted is not done, even if it ended well before the signal came.
      if (code === 0 && why === undefined) {
        settle();
        return;
      }
      const said = (output.stderr.trim() || output.stdout.trim()).slice(-SHOWN);
      settle(`${why ?? `ended with ${signal ?? `code ${code}`}`}${said === '' ? '' : `: ${said}`}`);
    };
    child.on('error', (error) => settle(error.message));
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      const leave = (): void => {
        // The pipes are read on, or who has them would get a SIGPIPE, but nobody waits for that.
        for (const pipe of [child.stdout, child.stderr] as unknown as Socket[]) pipe.unref();
        onEnd(code, signal);
      };
      // What came while this process was held up is read before.
      const late = setTimeout(() => setImmediate(leave), OUTPUT_WITHIN_MS);
      child.once('close', () => {
        clearTimeout(late);
        onEnd(code, signal);
      });
    });
    if (options.signal?.aborted) onAbort();
  });
}

function kill(child: ChildProcess, apart: boolean): void {
  const { pid, exitCode, signalCode } = child;
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  if (apart) killGroup(pid, 'SIGKILL');
  // Tells by `error` when it is not ours to kill.
  child.kill('SIGKILL');
}
