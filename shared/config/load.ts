import { crossFaults } from './checks.ts';
import { type Config, ConfigSchema } from './schema.ts';
import { type Loaded, settings } from './settings.ts';

const configuration = settings(ConfigSchema, 'CONFIG_INVALID', crossFaults);

/**
 * Reads a configuration file, YAML or JSON, and the secrets that it names.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID, SECRET_WEAK
 */
export const loadConfig: (path: string) => Promise<Config> = configuration.load;

/**
 * Reads a configuration file, and says where its secrets are.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID, SECRET_WEAK
 */
export const loadConfigWithFiles: (path: string) => Promise<Loaded<Config>> = configuration.loadWithFiles;

/**
 * Checks a configuration and fills in the defaults.
 * @throws TagalongError CONFIG_UNREADABLE if the text is not YAML, or a secret cannot be read; CONFIG_INVALID; SECRET_WEAK
 */
export const parseConfig: (text: string, fileName: string, folder?: string) => Config = configuration.parse;

/** The configuration with all defaults. */
export const DEFAULT_CONFIG: Config = parseConfig('', 'default configuration');
