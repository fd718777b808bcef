#!/usr/bin/env -S node --max-semi-space-size=64
/** The program `tagalong`. It runs the sources in a checkout, which needs no build, and the built files in the npm package. */
import { existsSync } from 'node:fs';

const sources = new URL('main.ts', import.meta.url);
await import(existsSync(sources) ? sources.href : new URL('../../dist/deploy/cli/main.js', import.meta.url).href);
