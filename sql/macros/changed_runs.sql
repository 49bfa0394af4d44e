{# The incremental rule, for every model that holds rows of single runs: delete the rows of the runs that changed
   (`delete_changed_runs`, a pre-hook in the same transaction), then append what these runs have now
   (`runs_to_build`). A model that does not exist yet, or is refreshed in full, is built from all runs. #}

{% macro runs_to_build() -%}
    {#- both are named at parse time, so that dbt knows of both -#}
    {%- set changed_runs = ref('int_changed_runs') -%}
    {%- set all_runs = ref('stg_ingestion_runs') -%}
    {%- if is_incremental() -%}
        select run_id from {{ changed_runs }} where not is_gone
    {%- else -%}
        select run_id from {{ all_runs }}
    {%- endif -%}
{%- endmacro %}


{% macro delete_changed_runs() -%}
    {%- set changed_runs = ref('int_changed_runs') -%}
    {%- if is_incremental() -%}
        {{ delete_runs(this, changed_runs) }}
    {%- endif -%}
{%- endmacro %}


{# The bookkeeping of the last build. It is written last and read first, so no `ref`: that would be a circle.
   None before the first build and on a full refresh. #}
{% macro modelled_runs() -%}
    {%- if not execute or flags.FULL_REFRESH -%} {{ return(none) }} {%- endif -%}
    {%- set node = graph.nodes['model.statsig_runs.int_modelled_runs'] -%}
    {{ return(load_relation(api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias
    ))) }}
{%- endmacro %}


{# One value for everything but a run's own data that decides its rows: the settings and the code. The seed's part
   is added in SQL, from its rows. #}
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
