// Stands in for editors and telemetry that the libraries can load and these pages never use.
const nothing = (): null => null;
export default nothing;
export const Editor = nothing;
export const DiffEditor = nothing;
export const loader = { config: nothing, init: () => Promise.reject(new Error("no editor here")) };
export const useMonaco = nothing;
export const faro = {};
export const LogLevel = {};
export const renderToStaticMarkup = () => "";
export const renderToString = () => "";
export const initializeFaro = nothing;
export const getWebInstrumentations = () => [];
export const BrowserConfig = {};
export const InternalLoggerLevel = {};
export const languages = {};
export const editor = {};
