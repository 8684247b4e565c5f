#!/usr/bin/env node
/** `npm run setup [-- lab|gate|test|browser]`: looks the system programs up, and installs what is missing where that is possible. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../lab/runners/find-program.ts';
import { entryOf } from '../runtime/entry.ts';
import { ExitCode } from './output.ts';
import { missingPrograms, type Purpose, type SystemProgram } from './programs.ts';

const PURPOSES: readonly Purpose[] = ['lab', 'gate', 'test', 'browser'];

const HELP = `Usage: npm run setup [-- lab|gate|test|browser]

Looks up the system programs that a lab, the gate, the tests or the browser need (default: test).
Silent when they are there. Else they are installed with apt on Debian and Ubuntu, as root or through a sudo
that asks for no password; where that is not possible, the command to type is printed. A lab and the gate go on without
what only some of the clusters need.

Exit codes: 0 all there, or enough for a lab and the gate; 2 wrong use; 4 something is missing.

Examples:
  npm run setup
  npm run setup -- gate`;

/** The machine, as far as setup has to do with it. */
export interface Machine {
  missing(purpose: Purpose): SystemProgram[];
  /** Debian or Ubuntu, or of their family. */
  readonly hasApt: boolean;
  readonly isRoot: boolean;
  /** Runs a command to its end. `loud` shows what it complains of. */
  run(argv: readonly string[], loud?: boolean): boolean;
  /** Forbids packages to start services; returns what allows it again. `prefix` makes root run a command. */
  forbidServices(prefix: readonly string[]): () => void;
  say(line: string): void;
}

/** Returns the exit code. */
export function setup(argv: readonly string[], machine: Machine): ExitCode {
  const [word = 'test', ...rest] = argv;
  if (word === '--help' || word === '-h') {
    machine.say(HELP);
    return ExitCode.pass;
  }
  const purpose = PURPOSES.find((candidate) => candidate === word);
  if (purpose === undefined || rest.length > 0) {
    machine.say(`error: setup is for one of ${PURPOSES.join(', ')}, not '${argv.join(' ')}'`);
    return ExitCode.usage;
  }
  const missing = machine.missing(purpose);
  if (missing.length === 0) return ExitCode.pass;
  const prefix = machine.hasApt ? rootPrefix(machine) : undefined;
  if (prefix !== undefined) install(prefix, packagesOf(missing), machine);
  const left = machine.missing(purpose);
  if (left.length === 0) return ExitCode.pass;
  const [isMissing, isLess] = purpose === 'test' ? [left, []] : byNeed(left);
  const names = (programs: readonly SystemProgram[]): string => programs.map(({ name }) => name).join(', ');
  if (isMissing.length > 0) machine.say(`error: not installed: ${names(isMissing)}`);
  for (const topologies of new Set(isLess.map(namesOf))) {
    const without = isLess.filter((program) => namesOf(program) === topologies);
    machine.say(`note: not installed: ${names(without)}, so that ${topologies} cannot run`);
  }
  machine.say(`type:  ${commandToType(packagesOf(left), machine.isRoot)}`);
  if (left.some(({ name }) => name === 'chromium')) {
    machine.say(
      'note: where Chromium is no package (Ubuntu), CHROMIUM_BIN names another, such as google-chrome',
    );
  }
  return isMissing.length > 0 ? ExitCode.labNotUp : ExitCode.pass;
}

function namesOf({ onlyFor = [] }: SystemProgram): string {
  return onlyFor.join(' and ');
}

/** Those without which nothing runs, and those that some topologies need. */
function byNeed(programs: readonly SystemProgram[]): [SystemProgram[], SystemProgram[]] {
  return [
    programs.filter(({ onlyFor }) => onlyFor === undefined),
    programs.filter(({ onlyFor }) => onlyFor !== undefined),
  ];
}

function packagesOf(programs: readonly SystemProgram[]): string[] {
  return programs.map((program) => program.package);
}

/** What to put before a command so that root runs it; undefined when that needs a password. */
function rootPrefix(machine: Machine): string[] | undefined {
  if (machine.isRoot) return [];
  return machine.run(['sudo', '-n', 'true']) ? ['sudo', '-n'] : undefined;
}

/** The package lists are fetched only when the installation fails without: a fresh machine has none, or old ones. */
function install(prefix: readonly string[], packages: readonly string[], machine: Machine): void {
  const aptGet = (args: readonly string[], loud?: boolean): boolean =>
    machine.run(
      [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', '-q', ...args],
      loud,
    );
  const installed = (names: readonly string[], loud?: boolean): boolean =>
    aptGet(['install', '-y', '--no-install-recommends', ...names], loud);
  machine.say(`setup: installing ${packages.join(' ')} with apt-get`);
  const allowServices = machine.forbidServices(prefix);
  try {
    if (installed(packages)) return;
    aptGet(['update']);
    if (packages.length > 1 && installed(packages)) return;
    // apt-get installs all or none, and one that a system lacks is not to be in the way of the others.
    for (const name of packages) installed([name], true);
  } finally {
    allowServices();
  }
}

function commandToType(packages: readonly string[], isRoot: boolean): string {
  const root = isRoot ? '' : 'sudo ';
  return `${root}apt-get update && ${root}apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/** Debian policy 9.11.4: a script that answers 101 forbids packages to start their services. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY = '#!/bin/sh\n# Of liveproof setup: packages shall not start services.\nexit 101\n';

function run([program, ...args]: readonly string[], loud = false): boolean {
  const stdio = ['ignore', 'ignore', loud ? 'inherit' : 'ignore'] as const;
  return spawnSync(findProgram(program!) ?? program!, args, { stdio: [...stdio] }).status === 0;
}

function thisMachine(): Machine {
  const isRoot = process.getuid?.() === 0;
  return {
    missing: missingPrograms,
    isRoot,
    hasApt: findProgram('apt-get') !== undefined && isOfDebian(),
    run,
    forbidServices(prefix) {
      // The administrator's policy stands.
      if (existsSync(POLICY_FILE)) return () => {};
      const folder = mkdtempSync(join(tmpdir(), 'liveproof-setup-'));
      const policy = join(folder, 'policy-rc.d');
      writeFileSync(policy, POLICY);
      run([...prefix, 'install', '--mode=755', policy, POLICY_FILE]);
      rmSync(folder, { recursive: true });
      return () => void run([...prefix, 'rm', '-f', POLICY_FILE]);
    },
    say: (line) => console.error(line),
  };
}

function isOfDebian(): boolean {
  const file = '/etc/os-release';
  return existsSync(file) && /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync(file, 'utf8'));
}

if (import.meta.filename === process.argv[1]) {
  process.exitCode = setup(process.argv.slice(2), thisMachine());
  // What comes next starts many processes, some of them at the same time.
  if (process.exitCode === ExitCode.pass && entryOf('cli/main.ts').file.endsWith('.ts')) {
    console.error(
      'note: nothing can be bundled (node --import tsx runtime/bundle.ts says why): all starts later',
    );
  }
}
