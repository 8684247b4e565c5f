#!/usr/bin/env node
/** `npm run setup [-- lab|gate|test]`: looks the system programs up, and installs what is missing where that is possible. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { findProgram } from '../lab/runners/find-program.ts';
import { missingPrograms, type Purpose } from './programs.ts';

const EXIT_USAGE = 2;
const EXIT_MISSING = 4;
const PURPOSES: readonly Purpose[] = ['lab', 'gate', 'test'];

const HELP = `Usage: npm run setup [-- lab|gate|test]

Looks up the system programs that a lab, the gate or the tests need (default: test, which is all of them).
Silent when they are there. Else they are installed with apt on Debian and Ubuntu, as root or through a sudo
that asks for no password; where that is not possible, the command to type is printed.

Exit codes: 0 all there; 2 wrong use; 4 something is missing.

Examples:
  npm run setup
  npm run setup -- gate`;

/** Debian policy 9.11.4: a script that answers 101 forbids packages to start their services. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const POLICY = '#!/bin/sh\n# Of liveproof setup: packages shall not start services.\nexit 101\n';

function main(argv: readonly string[]): number {
  const [word = 'test', ...rest] = argv;
  if (word === '--help' || word === '-h') {
    console.log(HELP);
    return 0;
  }
  const purpose = PURPOSES.find((candidate) => candidate === word);
  if (purpose === undefined || rest.length > 0) {
    console.error(`error: setup is for one of ${PURPOSES.join(', ')}, not '${argv.join(' ')}'`);
    return EXIT_USAGE;
  }
  const missing = missingPrograms(purpose);
  if (missing.length === 0) return 0;
  const packages = missing.map((program) => program.package);
  const prefix = rootPrefix();
  if (hasApt() && prefix !== undefined) {
    console.error(`setup: installing ${packages.join(' ')} with apt-get`);
    install(prefix, packages);
  }
  const left = missingPrograms(purpose);
  if (left.length === 0) return 0;
  console.error(`error: not installed: ${left.map((program) => program.name).join(', ')}`);
  console.error(`type:  ${commandToType(left.map((program) => program.package))}`);
  return EXIT_MISSING;
}

function hasApt(): boolean {
  if (findProgram('apt-get') === undefined || !existsSync('/etc/os-release')) return false;
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));
}

/** What to put before a command so that root runs it; undefined when that needs a password. */
function rootPrefix(): string[] | undefined {
  if (process.getuid?.() === 0) return [];
  const sudo = findProgram('sudo');
  if (sudo === undefined || spawnSync(sudo, ['-n', 'true'], { stdio: 'ignore' }).status !== 0)
    return undefined;
  return [sudo, '-n'];
}

/** The package lists are fetched only when the installation fails without: a fresh machine has none, or old ones. */
function install(prefix: readonly string[], packages: readonly string[]): void {
  const forbidden = forbidServices(prefix);
  try {
    const installation = ['install', '-y', '-q', '--no-install-recommends', ...packages];
    if (aptGet(prefix, installation)) return;
    aptGet(prefix, ['update', '-q']);
    aptGet(prefix, installation, 'inherit');
  } finally {
    if (forbidden) rmSync(POLICY_FILE, { force: true });
  }
}

function aptGet(
  prefix: readonly string[],
  args: readonly string[],
  errors: 'ignore' | 'inherit' = 'ignore',
): boolean {
  const [program, ...rest] = [
    ...prefix,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'RUNLEVEL=1',
    'apt-get',
    ...args,
  ];
  return spawnSync(program!, rest, { stdio: ['ignore', 'ignore', errors] }).status === 0;
}

/** Only as root, and only where the administrator has no policy; `RUNLEVEL=1` does the same for most packages. */
function forbidServices(prefix: readonly string[]): boolean {
  if (prefix.length > 0 || existsSync(POLICY_FILE)) return false;
  writeFileSync(POLICY_FILE, POLICY, { mode: 0o755, flag: 'wx' });
  return true;
}

function commandToType(packages: readonly string[]): string {
  const root = process.getuid?.() === 0 ? '' : 'sudo ';
  return `${root}apt-get update && ${root}apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

process.exitCode = main(process.argv.slice(2));
