{# The incremental rule, for every model that holds rows of single runs: delete the rows of the runs that changed
   (`delete_changed_runs`, a pre-hook in the same transaction), then append what these runs have now
   (`runs_to_build`). On Spark, which has no such transactions, both are one merge (`engines/replacing.sql`). A model that does
   not exist yet, or is refreshed in full, is built from all runs.

   There are two lists of such runs. `int_changed_runs` has those whose own data changed. `int_judged_runs` has these as
   well, and those that are judged otherwise because a source's final status changed: it is for what has an outcome. #}

{% macro runs_to_build(list='int_changed_runs') -%}
    {#- both are named at parse time, so that dbt knows of both -#}
    {%- set changed_runs = ref(list) -%}
    {%- set all_runs = ref('stg_ingestion_runs') -%}
    {%- if is_incremental() -%}
        select run_id from {{ changed_runs }} where not is_gone
    {%- else -%}
        select run_id from {{ all_runs }}
    {%- endif -%}
{%- endmacro %}


{# Rows of no run are those that each build finds anew. #}
{% macro delete_changed_runs(list='int_changed_runs', and_rows_of_no_run=false) -%}
    {%- set changed_runs = ref(list) -%}
    {%- if is_incremental() -%}
        {{ delete_runs(this, changed_runs, and_rows_of_no_run) }}
    {%- endif -%}
{%- endmacro %}


{# The columns of `int_run_states` and `int_modelled_runs`, but the key. #}
{% macro run_state() -%}
    {{ return([
        'latest_status', identifier('trigger'), 'created_at', 'last_updated_at', 'fetched_at',
        'payload_count', 'newest_payload_at', 'content_hash', 'settings_hash',
    ]) }}
{%- endmacro %}


{# Whether two values differ, either of which may be missing. #}
{% macro differ(one, other) -%}
    {{ one }} <> {{ other }}
        or ({{ one }} is null) <> ({{ other }} is null)
{%- endmacro %}


{# The bookkeeping of the last build, `int_modelled_runs` or `int_modelled_sources`. It is written last and read first, so
   no `ref`: that would be a circle. None before the first build and on a full refresh. #}
{% macro modelled(model) -%}
    {{ return(none if flags.FULL_REFRESH else written(model)) }}
{%- endmacro %}


{% macro written(model) -%}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {%- set node = graph.nodes['model.statsig_runs.' ~ model] -%}
    {{ return(load_relation(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias
    ))) }}
{%- endmacro %}


{# A post-hook: what is about to be modelled anew is struck from the bookkeeping first. A build that then fails leaves it
   struck, so the next one does it again, even if by then everything is as it was before the first of the two. What is
   gone is not struck, or the next build would not know that rows of it may be left. #}
{% macro strike(model, key, condition) -%}
    {%- set bookkeeping = written(model) -%}
    {%- if bookkeeping -%}
        {{ delete_keys(bookkeeping, key, '(select ' ~ key ~ ' from ' ~ this ~ ' where ' ~ condition ~ ')') }}
    {%- endif -%}
{%- endmacro %}


{# One value for everything but a run's own data that decides its rows: the settings and the code. The seed's part
   is added in SQL, from its rows. What only decides marts that every build makes from scratch is no part of it. #}
{% macro build_settings() -%}
    {%- set code = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.package_name == 'statsig_runs' -%}
            {%- do code.append(node.checksum.checksum if node.resource_type == 'model' else '') -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(local_md5(tojson([
        var('settle_hours'), var('terminal_success_statuses'), var('build_fingerprint'), code | sort
    ]))) }}
{%- endmacro %}
