import { importTests } from './files.ts';

await importTests('protocols/');
