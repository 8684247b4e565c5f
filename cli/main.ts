#!/usr/bin/env node
import { Command } from 'commander';
import { LabError, LabErrorCode } from '../lab/errors.ts';
import { maskSecrets } from '../reports/secrets.ts';
import { ReportError } from '../reports/write.ts';
import { CommandError, ExitCode, painter, printable, shown } from './output.ts';

/** What a file of a command exports: it adds itself, with its options and its action, to the program. */
interface CommandFile {
  register(program: Command): void;
}

/** Every command: what the list of commands says of it, and the file that it is in. Only the one that is asked for is loaded. */
const COMMANDS: readonly { name: string; says: string; load(): Promise<CommandFile> }[] = [
  { name: 'lab', says: 'bring a cluster up, take it down, look at it', load: () => import('./lab.ts') },
  { name: 'gate', says: 'run the checks on a cluster and judge it', load: () => import('./gate.ts') },
  { name: 'mutants', says: 'prove that every check can fail', load: () => import('./mutants.ts') },
  { name: 'load', says: 'play a URL with many clients and measure', load: () => import('./load.ts') },
  { name: 'publish', says: 'publish stamped streams', load: () => import('./publish.ts') },
  {
    name: 'nightly',
    says: 'everything that is too long for a pull request',
    load: () => import('./nightly.ts'),
  },
  {
    name: 'release-gate',
    says: 'may it be released? all clusters, nothing unsupported unless listed',
    load: () => import('./release-gate.ts'),
  },
  { name: 'bench', says: 'how far clusters carry, at what latency', load: () => import('./bench.ts') },
  { name: 'browser', says: 'do they play in a browser?', load: () => import('./browser.ts') },
  { name: 'truth', says: 'are the figures true?', load: () => import('./truth.ts') },
  { name: 'merge', says: 'make one run of the runs of several generators', load: () => import('./merge.ts') },
  { name: 'report', says: 'write the reports of a run again', load: () => import('./report.ts') },
  { name: 'compare', says: 'two runs side by side', load: () => import('./compare.ts') },
];

/** A lab that does not come up is told apart from one that was asked for in the wrong way. */
const WRONG_USE: readonly LabErrorCode[] = [LabErrorCode.Unknown, LabErrorCode.AlreadyUp];
const HINTS: Partial<Record<LabErrorCode, string>> = {
  [LabErrorCode.AlreadyUp]: '`lab status` looks at it, `lab down` takes it down, `--dir` makes another.',
};

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('liveproof')
    .description('The lab, load generator and judge for live-streaming clusters of the SRS kind.')
    .showHelpAfterError('(--help tells more)')
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? ExitCode.pass : ExitCode.usage);
    })
    .addHelpText(
      'after',
      `
Exit codes:
  0 pass   1 a check failed   2 wrong use or nothing selected   3 inconclusive   4 the lab did not come up

Examples:
  liveproof lab up                          a cluster to publish to and play from
  liveproof gate                            does a cluster behave?
  liveproof load rtmp://127.0.0.1/live/livestream --clients 1000`,
    );
  const name = argv[0] === 'help' ? argv[1] : argv[0];
  const chosen = COMMANDS.find((command) => command.name === name);
  if (chosen !== undefined) {
    (await chosen.load()).register(program);
  } else {
    for (const { name, says } of COMMANDS) program.command(name).description(says);
  }
  if (argv.length === 0) program.help({ error: true });
  await program.parseAsync(argv, { from: 'user' });
}

/** Says what went wrong to people, and returns the exit code. Anything that is not foreseen keeps its stack. */
function explain(error: unknown): ExitCode {
  const paint = painter(process.stderr);
  const say = (text: string): void => console.error(`${paint('red', 'error')}: ${text}`);
  if (error instanceof CommandError) {
    say(error.message);
    return error.exitCode;
  }
  if (error instanceof LabError) {
    say(maskSecrets(error.message));
    if (error.log.length > 0) {
      console.error(`the last lines of ${error.node ?? 'the lab'}:`);
      for (const line of error.log) console.error(paint('dim', `  ${shown(line)}`));
    }
    const hint = HINTS[error.code];
    if (hint !== undefined) console.error(hint);
    return WRONG_USE.includes(error.code) ? ExitCode.usage : ExitCode.labNotUp;
  }
  if (error instanceof ReportError) {
    say(printable(error.message));
    // Nobody can look at it again, so it is no proof, and no failure of the cluster.
    return ExitCode.inconclusive;
  }
  throw error;
}

/** Whoever reads along (`| head`) may go before the end: the run goes on, and its report is written. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
try {
  await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = explain(error);
}
