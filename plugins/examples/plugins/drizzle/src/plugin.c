// The fault `drizzle`: a share of the packets that a container sends is lost.
//
// Each call gets an instance of its own, which ends with the call: nothing is kept between calls, and nothing needs to be freed.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

// What it is called in a campaign.
#define DRIZZLE "drizzle"

// JSON Schema of what a campaign may say under `params`. The host checks it, and fills in the defaults.
static const char PARAMETERS[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"percent\":{\"type\":\"number\",\"minimum\":1,\"maximum\":100,"
    "\"default\":20,\"description\":\"How many of the packets are lost, in percent.\"}}}";

// A text of the host's, as C has texts.
static char *text(const plugin_string_t *from) {
    return strndup((const char *)from->ptr, from->len);
}

// A list of texts, which ends with NULL.
static plugin_list_string_t words(const char *first, ...) {
    plugin_list_string_t list = {calloc(32, sizeof *list.ptr), 0};
    va_list rest;
    va_start(rest, first);
    for (const char *word = first; word != NULL; word = va_arg(rest, const char *)) {
        plugin_string_dup(&list.ptr[list.len++], word);
    }
    va_end(rest);
    return list;
}

static bool invalid(duress_plugin_types_error_t *error, const char *why) {
    error->tag = DURESS_PLUGIN_TYPES_ERROR_INVALID;
    plugin_string_dup(&error->val.invalid, why);
    return false;
}

// The number of that name in a flat JSON object that the host has checked. For more, take a JSON library, e.g. cJSON.
static bool number(const char *json, const char *name, double *value) {
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(json, key);
    if (at == NULL) {
        return false;
    }
    at += strlen(key);
    char *end;
    *value = strtod(at, &end);
    return end != at;
}

void exports_duress_plugin_chaos_fault_types(exports_duress_plugin_chaos_list_fault_type_t *faults) {
    exports_duress_plugin_chaos_fault_type_t *fault = calloc(1, sizeof *fault);
    plugin_string_dup(&fault->name, DRIZZLE);
    plugin_string_dup(&fault->summary, "Lose a share of the packets that a container sends.");
    plugin_string_dup(&fault->parameters, PARAMETERS);
    fault->requires_ = words("CAP_NET_ADMIN", "tool:ip", "kernel:sch_netem|kernel:nfnetlink_queue", NULL);
    fault->choice = EXPORTS_DURESS_PLUGIN_CHAOS_CHOICE_BY_HOST;
    faults->ptr = fault;
    faults->len = 1;
}

// The schema says all that there is to say.
void exports_duress_plugin_chaos_check_parameters(plugin_string_t *fault, exports_duress_plugin_chaos_json_t *parameters,
                                                  exports_duress_plugin_chaos_list_problem_t *problems) {
    (void)fault;
    (void)parameters;
    problems->ptr = NULL;
    problems->len = 0;
}

// One typed change: the host knows how it is made, reverted and seen.
static bool drizzle(plugin_string_t *target, double percent, plugin_string_t *id, duress_plugin_types_error_t *error) {
    // A link is impaired where packets leave by it; with several networks, there are several.
    plugin_list_string_t interfaces;
    if (!duress_plugin_containers_interfaces(target, &interfaces, error)) {
        return false;
    }
    char line[256];
    snprintf(line, sizeof line, "lose %g %% of what %s sends", percent, text(target));
    plugin_string_t summary;
    plugin_string_dup(&summary, line);
    duress_plugin_effects_borrow_draft_t draft =
        duress_plugin_effects_borrow_draft(duress_plugin_effects_constructor_draft(target, &summary));
    duress_plugin_effects_borrow_impairment_t loss =
        duress_plugin_effects_borrow_impairment(duress_plugin_effects_constructor_impairment());
    duress_plugin_effects_method_impairment_lose(loss, percent, 0);
    for (size_t i = 0; i < interfaces.len; i++) {
        duress_plugin_effects_borrow_packets_t packets = duress_plugin_effects_borrow_packets(
            duress_plugin_effects_constructor_packets(DURESS_PLUGIN_EFFECTS_DIRECTION_OUTGOING));
        duress_plugin_effects_method_packets_network_interface(packets, &interfaces.ptr[i]);
        duress_plugin_effects_method_draft_impair_link(draft, packets, loss);
    }
    return duress_plugin_effects_method_draft_apply(draft, id, error);
}

bool exports_duress_plugin_chaos_inject(exports_duress_plugin_chaos_request_t *request,
                                        exports_duress_plugin_chaos_json_t *metadata,
                                        exports_duress_plugin_chaos_error_t *error) {
    double percent;
    if (strcmp(text(&request->fault), DRIZZLE) != 0) {
        return invalid(error, "there is no such fault");
    }
    if (!number(text(&request->parameters), "percent", &percent)) {
        return invalid(error, "`percent` must be a number");
    }
    // What `cleanup` needs, which may run in another process: the host's ids of the changes.
    char *document = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&document, &length);
    fprintf(out, "{\"chaos_type\":\"" DRIZZLE "\",\"changes\":[");
    for (size_t i = 0; i < request->targets.len; i++) {
        plugin_string_t id;
        // The host reverts what was applied before.
        if (!drizzle(&request->targets.ptr[i], percent, &id, error)) {
            return false;
        }
        fprintf(out, "%s\"%s\"", i == 0 ? "" : ",", text(&id));
    }
    fprintf(out, "]}");
    fclose(out);
    plugin_string_dup_n(metadata, document, length);
    return true;
}

bool exports_duress_plugin_chaos_cleanup(exports_duress_plugin_chaos_json_t *metadata,
                                         exports_duress_plugin_chaos_error_t *error) {
    const char *list = strstr(text(metadata), "\"changes\":[");
    if (list == NULL) {
        return invalid(error, "the metadata has no list `changes`");
    }
    list = strchr(list, '[') + 1;
    const char *close = strchr(list, ']');
    // Each id stands between two quotation marks.
    for (const char *start = strchr(list, '"'); start != NULL && start < close; start = strchr(start, '"')) {
        const char *end = strchr(start + 1, '"');
        plugin_string_t id;
        plugin_string_dup_n(&id, start + 1, (size_t)(end - start - 1));
        if (!duress_plugin_changes_revert(&id, error)) {
            return false;
        }
        start = end + 1;
    }
    return true;
}
