import { importTests } from './files.ts';

await importTests('scenarios/conformance/');
