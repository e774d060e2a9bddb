/** What index.js uses of ComfyUI's page; its package of types has come without them for some versions. */

export interface Workflow {
  nodes?: unknown[];
}

export interface SidebarTab {
  id: string;
  icon: string;
  type: "custom";
  title: string;
  tooltip: string;
  iconBadge?: string | (() => string | null) | null;
  render(place: HTMLElement): void;
  destroy(): void;
}

export interface Extension {
  name: string;
  commands?: { id: string; label: string; icon: string; function: () => unknown }[];
  menuCommands?: { path: string[]; commands: string[] }[];
  aboutPageBadges?: { label: string; url: string; icon: string }[];
  setup?(): void | Promise<void>;
  afterConfigureGraph?(missing: unknown[]): void | Promise<void>;
}

export const app: {
  registerExtension(extension: Extension): void;
  graphToPrompt(): Promise<{ workflow: Workflow; output: Record<string, { class_type?: string; inputs: Record<string, unknown> }> }>;
  api: {
    apiURL(route: string): string;
    fetchApi(route: string, options?: RequestInit): Promise<Response>;
    addEventListener(type: "status", listener: (event: CustomEvent) => void): void;
  };
  extensionManager: {
    toast: { add(message: { severity: string; summary: string; detail?: string; life?: number }): void };
    command: { execute(id: string): Promise<void> };
    setting?: { get(id: string): unknown };
    workflow?: { activeWorkflow?: { filename: string; path: string } | null };
    registerSidebarTab(tab: SidebarTab): void;
    getSidebarTabs?(): SidebarTab[];
  };
};
