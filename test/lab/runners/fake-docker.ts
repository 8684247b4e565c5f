/**
 * A `docker` and a `docker-compose` that are none: they write down what they were asked, and answer as the test says. They
 * come first on the PATH of this process until `end`.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** What a program says to one line of arguments; text on standard output and exit code 0 when it is a string. */
export type FakeAnswer = string | { readonly code: number; readonly says: string };

/** By what the line of the program and its arguments begins with; the first that fits answers, and nothing does otherwise. */
export type FakeAnswers = Readonly<Record<string, FakeAnswer>>;

/** An engine that answers, and a Compose of either kind. */
export const ENGINE: FakeAnswers = { 'docker info': '20.10.24' };
export const COMPOSE_2: FakeAnswers = { ...ENGINE, 'docker compose version': 'v2.40.3' };
export const COMPOSE_1: FakeAnswers = {
  ...ENGINE,
  'docker compose': { code: 1, says: "docker: 'compose' is not a docker command." },
  'docker-compose version': '1.29.2',
};

export class FakeDocker {
  readonly #directory = mkdtempSync(join(tmpdir(), 'liveproof-docker-'));
  readonly #path = process.env.PATH ?? '';

  constructor(programs: readonly string[] = ['docker', 'docker-compose']) {
    for (const program of programs) {
      const file = join(this.#directory, program);
      writeFileSync(
        file,
        `#!/bin/sh\nasked="${program} $*"\n. ${quoted(join(this.#directory, 'answers'))}\n`,
      );
      chmodSync(file, 0o755);
    }
    this.answer({});
    process.env.PATH = `${this.#directory}${delimiter}${this.#path}`;
  }

  /** Nothing else is found on the PATH. */
  alone(): this {
    process.env.PATH = this.#directory;
    return this;
  }

  /** Instead of all answers before; what was asked is forgotten. */
  answer(answers: FakeAnswers): void {
    const cases = Object.entries(answers).map(([begins, answer]) => {
      const { code, says } = typeof answer === 'string' ? { code: 0, says: answer } : answer;
      return `  ${quoted(begins)}*) printf '%s\\n' ${quoted(says)}${code === 0 ? '' : ' >&2'}; exit ${code};;`;
    });
    const note = `printf '%s\\n' "$asked" >> ${quoted(this.#log)}`;
    writeFileSync(join(this.#directory, 'answers'), `${note}\ncase $asked in\n${cases.join('\n')}\nesac\n`);
    rmSync(this.#log, { force: true });
  }

  /** Program and arguments of every call, in order. */
  get asked(): readonly string[] {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').trimEnd().split('\n') : [];
  }

  end(): void {
    process.env.PATH = this.#path;
    rmSync(this.#directory, { recursive: true });
  }

  get #log(): string {
    return join(this.#directory, 'asked');
  }
}

/** One word for sh (POSIX.1-2017, 2.2.2 Single-Quotes). */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
