/** `npm run test:unit`: all tests but the long ones. Files that are in no group have a process each. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { GROUPS, testsOf } from './together/groups.ts';

/** Tests wait as well as compute: one more than the CPUs of the machines of CI. */
const AT_ONCE = 3;

const elsewhere = [...Object.values(GROUPS).flat(), 'long'].map((folder) => `${folder}/`);
const files = testsOf('.').filter((file) => !elsewhere.some((folder) => file.startsWith(folder)));
const runner = spawn(
  process.execPath,
  // The groups, which are long, begin first.
  [
    '--import',
    'tsx',
    '--test',
    `--test-concurrency=${AT_ONCE}`,
    ...files.reverse().map((file) => `test/${file}`),
  ],
  { cwd: fileURLToPath(new URL('..', import.meta.url)), stdio: 'inherit' },
);
runner.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
