export * from './codec.ts';
export * from './partition.ts';
export * from './trace-context.ts';
export * from './types.ts';
