import { crossFaults } from './checks.ts';
import { type Config, ConfigSchema } from './schema.ts';
import { settings } from './settings.ts';

const configuration = settings(ConfigSchema, 'CONFIG_INVALID', crossFaults);

/**
 * Reads a configuration file, YAML or JSON.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID
 */
export const loadConfig: (path: string) => Promise<Config> = configuration.load;

/**
 * Checks a configuration and fills in the defaults.
 * @throws TagalongError CONFIG_UNREADABLE if the text is not YAML; CONFIG_INVALID
 */
export const parseConfig: (text: string, fileName: string) => Config = configuration.parse;

/** The configuration with all defaults. */
export const DEFAULT_CONFIG: Config = parseConfig('', 'default configuration');
