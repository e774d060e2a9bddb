/**
 * The shapes that the app's parts hand to each other; types only, nothing at run time.
 * Import one with `@typedef {import("../core/types.js").Field} Field`.
 *
 * What the server sends is as docs/catalog.md, patching.md, validation.md and api.md say.
 */

/* ---- Workflows (API format) ---- */

/** @typedef {[source: string, slot: number]} Link An input that takes output *slot* (from 0) of node *source*. */

/**
 * @typedef {object} Node
 * @property {string} class_type
 * @property {Record<string, any>} inputs Values, links, and lists as `{"__value__": […]}`; whole numbers beyond 2^53 as text.
 * @property {{title?: string, bypassed?: any, [key: string]: any}} [_meta]
 */

/** @typedef {Record<string, Node>} Graph A workflow in API format: nodes by id. */

/**
 * A link seen from the node that takes it.
 * @typedef {object} LinkIn
 * @property {string} name Of the input.
 * @property {string} source
 * @property {number} slot
 */

/**
 * A link seen from the node that gives it.
 * @typedef {object} LinkOut
 * @property {string} target
 * @property {string} name Of the target's input.
 * @property {number} slot
 */

/**
 * One stretch of a workflow as the flow shows it: its trunk, or one branch beside others.
 * @typedef {object} Branch
 * @property {string | null} label "A", "B", …; null for the trunk.
 * @property {number | null} fork Branches with the same number are beside each other.
 * @property {string[]} ids In order.
 */

/* ---- Catalogue ---- */

/**
 * An input that grows: *names*, or *prefix* + 0, 1, … below *max*; the first *min* are required if the input is.
 * @typedef {object} Grows
 * @property {string} [prefix]
 * @property {string[]} [names]
 * @property {number} min
 * @property {number} max
 */

/** @typedef {{inputs: Input[], params: Param[]}} Ports */

/**
 * What sockets and widgets have in common.
 * @typedef {object} Port
 * @property {string} name
 * @property {string} type A name, a union `"IMAGE,MASK"`, or `"*"`.
 * @property {boolean} required
 * @property {string} [display_name]
 * @property {string} [tooltip]
 * @property {boolean} [lazy]
 * @property {Record<string, Ports>} [variants] What else there is, by the param's value, or by `linked`.
 * @property {any} [default]
 * @property {number} [min]
 * @property {number} [max]
 * @property {number} [step]
 * @property {number | false} [round]
 * @property {any[]} [options]
 * @property {boolean} [multiline]
 * @property {boolean} [advanced]
 * @property {boolean} [hidden]
 * @property {string} [display] `slider`, `knob`, `number`, `color`, …
 * @property {string} [placeholder]
 * @property {string} [label_on]
 * @property {string} [label_off]
 */

/** @typedef {Port & {list?: boolean, match?: string, grows?: Grows}} Input A socket: it takes a link and nothing else. */

/**
 * A widget: its value stands in the workflow; if `linkable`, a link may.
 * @typedef {Port & {
 *   linkable?: boolean, link_type?: string, control_after_generate?: boolean | string,
 *   upload?: "image" | "audio" | "video" | "file", folder?: string, multiselect?: boolean,
 *   remote?: {route: string, [key: string]: any}, image_folder?: string, component?: string, widget?: string,
 *   dynamic_prompts?: boolean, raw_link?: boolean,
 * }} Param
 */

/** @typedef {{name: string, type: string, list?: boolean, match?: string, options?: any[], tooltip?: string}} Output */

/**
 * A node class of the server; *name* is its class_type.
 * @typedef {object} NodeSpec
 * @property {string} name
 * @property {string} display_name
 * @property {string} category
 * @property {string} description
 * @property {string} pack `core`, `extras`, `api`, or the folder of the pack.
 * @property {Input[]} inputs
 * @property {Output[]} outputs
 * @property {Param[]} params
 * @property {{output_node: boolean, deprecated: boolean, experimental: boolean, api_node: boolean, dev_only?: boolean}} flags
 * @property {string[]} [search_aliases]
 * @property {string} [english] Its name in English, if *display_name* is in another language.
 */

/** @typedef {ReadonlyMap<string, NodeSpec>} Specs The catalogue, by class_type. */

/* ---- Fields and ports, as cards show them ---- */

/**
 * @typedef {"int" | "float" | "seed" | "switch" | "segmented" | "picker" | "model" | "text" | "multiline"
 *   | "color" | "colors" | "image" | "audio" | "video" | "file" | "dynamic" | "linked" | "raw"} FieldKind
 */

/**
 * One value of a node as its card shows it.
 * @typedef {object} Field
 * @property {string} name The key in the node's inputs.
 * @property {string} label
 * @property {FieldKind} kind
 * @property {any} value As it stands, lists unwrapped; the default where nothing stands.
 * @property {boolean} set Whether something stands in the node's inputs.
 * @property {boolean} required
 * @property {any} [default]
 * @property {any[]} [options] Of any JSON type: compare with `same`, show with `optionLabel`.
 * @property {boolean} [multiple] The value is a list, of options if there are any.
 * @property {number} [min]
 * @property {number} [max] As declared, but never above 2^53.
 * @property {string} [limit] The declared max, where it is above 2^53.
 * @property {number} [step]
 * @property {number} [digits] Decimals to show of a float.
 * @property {boolean} [slider]
 * @property {string} [folder] The model folder whose files the options are.
 * @property {boolean} [multiline]
 * @property {string} [upload] `image`, `audio`, `video` or `file`.
 * @property {string} [remote] The route that gives the options.
 * @property {string} [control] Of a seed: what happens after a run unless the user chose: `fixed`, `randomize`, `increment`, `decrement`.
 * @property {string} [placeholder]
 * @property {string} [label_on]
 * @property {string} [label_off]
 * @property {string} [display]
 * @property {string} [tooltip]
 * @property {boolean} [advanced]
 * @property {boolean} [hidden] ComfyUI's page does not show it.
 * @property {boolean} [linkable]
 * @property {string} [type] The catalogue's type.
 * @property {boolean} [exact] The text of a whole number beyond 2^53 (see `parseExact`).
 * @property {boolean} [unknown] The node's class is not known to have it, or it is of another variant.
 * @property {{node: string, slot: number}} [source] What it is linked to.
 * @property {Field[]} [children] Of a dynamic combo or slot: what there is because of its value.
 */

/**
 * What takes a link: a socket, or a param that may be linked instead of set.
 * @typedef {object} InPort
 * @property {string} name
 * @property {string} label
 * @property {string} type In this workflow, where `match` ports are linked; else what is allowed.
 * @property {boolean} required
 * @property {boolean} list The node takes all items of a list at once.
 * @property {{node: string, slot: number} | null} link
 * @property {string} [tooltip]
 * @property {boolean} [unknown] The node's class is not known to have it.
 */
/** @typedef {{slot: number, name: string, type: string, list: boolean, tooltip?: string,
 *   targets: {id: string, name: string}[]}} OutPort
 */
/** @typedef {{inputs: InPort[], outputs: OutPort[], params: InPort[]}} NodePorts `params`: those that may be linked, linked or not. */

/* ---- Patching and validation ---- */

/** @typedef {{op: string, [field: string]: any}} Operation */

/**
 * @typedef {object} Change
 * @property {number} op Index of the operation.
 * @property {"node_added" | "node_removed" | "node_restored" | "class_changed" | "input_set" | "input_removed"
 *   | "input_dropped" | "meta_set"} kind
 * @property {string} node_id
 * @property {string} class_type
 * @property {string} [input]
 * @property {string} [key]
 * @property {string} [reason]
 * @property {any} [old]
 * @property {any} [new]
 */

/**
 * @typedef {object} PatchResult
 * @property {Graph} workflow
 * @property {Change[]} changes
 * @property {Created[]} created
 * @property {Operation[]} inverse
 * @property {Finding[]} [findings]
 */

/** @typedef {{node_id: string, class_type: string, op?: number, alias?: string | null, [key: string]: any}} Created */

/**
 * @typedef {object} Finding
 * @property {string} code
 * @property {"error" | "warning"} severity
 * @property {string} message
 * @property {string | null} node_id
 * @property {string | null} input
 * @property {string | null} class_type
 * @property {string | null} hint
 * @property {Record<string, any>} details
 * @property {Operation | null} fix
 */

/** @typedef {{valid: boolean, outputs: string[], findings: Finding[], warnings: Finding[]}} Verdict */

/** @typedef {{key: string, params: Record<string, any>}} Line A text to come: `t(line.key, line.params)`. */

/**
 * @typedef {object} Difference
 * @property {string} id
 * @property {string} class_type
 * @property {"node_added" | "node_removed" | "class_changed" | "value_changed" | "link_changed"} kind
 * @property {string} [title]
 * @property {string} [input]
 * @property {any} [old]
 * @property {any} [new]
 */

/** @typedef {{screen: string, id: string | null, query: Record<string, string>}} Route */

/**
 * @typedef {object} History Snapshots, the oldest first; plain JSON.
 * @property {HistoryStep[]} steps
 * @property {number} at Which of them is now.
 */
/** @typedef {{graph: Graph, key: string | null, at: number}} HistoryStep */

/**
 * @typedef {object} Draft
 * @property {string} id
 * @property {string} name
 * @property {Graph} graph
 * @property {string | null} source Where it came from: a task, a template, a file on the server.
 * @property {any} [ui] The page's own document, where the draft was made of one.
 */

/* ---- Tasks ---- */

/** @typedef {"queued" | "running" | "canceling" | "succeeded" | "failed" | "cancelled"} TaskStatus */
/** @typedef {"pending" | "running" | "done" | "cached" | "failed" | "skipped" | "interrupted"} NodeStatus */

/**
 * @typedef {object} TaskNode
 * @property {string} class_type
 * @property {string | null} title
 * @property {NodeStatus} status
 * @property {number | null} [value]
 * @property {number | null} [max]
 * @property {string | null} [started_at]
 * @property {number | null} [duration_s]
 * @property {number | null} [vram_peak]
 * @property {number | null} [ram_peak]
 * @property {string | null} [parent]
 */

/**
 * @typedef {object} TaskOutput
 * @property {string} node_id
 * @property {"image" | "video" | "audio" | "3d" | "text" | "number" | "boolean" | "json" | "file"} kind
 * @property {string} name
 * @property {string | null} [filename]
 * @property {string | null} [subfolder]
 * @property {string | null} [type]
 * @property {string | null} [media_type]
 * @property {number | null} [size]
 * @property {string | null} [sha256]
 * @property {number | null} [width]
 * @property {number | null} [height]
 * @property {string | null} [url]
 * @property {any} [value]
 * @property {string | null} [output]
 */

/**
 * @typedef {object} TaskError
 * @property {string} code
 * @property {string} message
 * @property {string | null} [node_id]
 * @property {string | null} [class_type]
 * @property {string | null} [exception_type]
 * @property {boolean} [retryable]
 */

/**
 * What a download fetches and how far it is (docs/downloads.md).
 * @typedef {{[key: string]: any}} Download
 */

/**
 * @typedef {object} Task
 * @property {string} id
 * @property {"prompt" | "download"} kind
 * @property {TaskStatus} status
 * @property {string} [origin]
 * @property {string | null} [created_at]
 * @property {string | null} [started_at]
 * @property {string | null} [finished_at]
 * @property {number | null} [queue_position]
 * @property {number} [priority]
 * @property {number} [attempt]
 * @property {number} [max_attempts]
 * @property {number | null} [eta_s] Seconds until its end, as it stood at `eta_at`.
 * @property {string} [eta_at]
 * @property {number} [progress]
 * @property {number} [nodes_total]
 * @property {number} [nodes_done]
 * @property {string[]} [current]
 * @property {Record<string, TaskNode>} [nodes] Only where the task was loaded whole.
 * @property {TaskOutput[]} [outputs]
 * @property {TaskError | null} [error]
 * @property {Finding[]} [warnings]
 * @property {Record<string, string[]>} [node_ids]
 * @property {any[] | Record<string, any>} [changes]
 * @property {{name: string, version: number, digest: string} | null} [template]
 * @property {Record<string, any> | null} [inputs]
 * @property {{id: string, version: number} | null} [session]
 * @property {Record<string, any>} [metadata]
 * @property {Download | null} [download]
 * @property {string | null} [prompt_id]
 * @property {string | null} [batch_id]
 * @property {string | null} [retry_of]
 */

/**
 * One node of a run, as the timeline draws it.
 * @typedef {object} Row
 * @property {string} id
 * @property {string} title
 * @property {string} class_type
 * @property {number} start_s From the start of the run.
 * @property {number | null} duration_s Null where it has not run, or runs still.
 * @property {NodeStatus} state
 * @property {boolean} cached
 * @property {number} share Of the time that all nodes took, 0 to 1.
 * @property {string | null} parent
 * @property {number | null} vram_peak
 */

/* ---- Texts ---- */

/** @typedef {string | {one?: string, other: string, zero?: string, two?: string, few?: string, many?: string}} Message */
/** @typedef {Record<string, Message>} Dictionary */
/** @typedef {(key: string, params?: Record<string, any>) => string} Translate */

export {};
