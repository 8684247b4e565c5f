#!/usr/bin/env node
/** `npm run liveproof`: the command from its bundle, in this process. From its sources it starts a second later. */
import { pathToFileURL } from 'node:url';
import { entryOf } from '../runtime/entry.ts';

await import(pathToFileURL(entryOf('cli/main.ts').file).href);
