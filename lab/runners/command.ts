/** Runs a program to its end, as an argument list that no shell reads, bounded in time and output. */
import { spawn } from 'node:child_process';

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
}

const TIMEOUT_MS = 60_000;
/** Of each stream; what comes after is dropped. */
const MAX_OUTPUT = 4 * 1024 * 1024;
const SHOWN = 2000;

/** Why a program did not do its work; the message has the end of what it wrote. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Resolves when it has ended with 0. Rejects with CommandError. */
export function runCommand(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [program = '', ...args] = argv;
  const { timeoutMs = TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: false,
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
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => end(`not done in ${timeoutMs} ms`), timeoutMs);
    const onAbort = (): void => end('interrupted');
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const settle = (failure?: string): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      if (failure === undefined) resolve(output);
      else reject(new CommandError(`${argv.join(' ')}: ${failure}`));
    };
    child.on('error', (error) => settle(error.message));
    child.on('close', (code, signal) => {
      // What was interrupted is not done, even if it ended well before the signal came.
      if (code === 0 && why === undefined) return settle();
      const said = (output.stderr.trim() || output.stdout.trim()).slice(-SHOWN);
      settle(`${why ?? `ended with ${signal ?? `code ${code}`}`}${said === '' ? '' : `: ${said}`}`);
    });
    if (options.signal?.aborted) onAbort();
  });
}
