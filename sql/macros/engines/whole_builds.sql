{# On PostgreSQL readers have the tables and views themselves, so none is dropped or emptied before their eyes. dbt builds a
   table beside the one that is there, renames both and drops the old one with all that depends on it: grants, indexes and
   views of a team are gone, and readers wait. Here a table keeps its place: its rows are deleted and inserted, which no
   reader sees before the commit (of the whole build: `warehouse/transactions.py`). Only what no longer fits is made anew
   by dbt. DuckLake's catalogue keeps a table of its own for each table that ever was, so there as well they keep their place.
   These count only where this is the root project: in a team's own project dbt's materializations are used. #}

{% materialization table, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and existing.is_table -%}
        {{ return(statsig_runs.refilled(existing, dbt.materialization_table_default)) }}
    {%- endif -%}
    {{ return(dbt.materialization_table_default()) }}
{% endmaterialization %}


{% materialization incremental, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and existing.is_table and should_full_refresh() and target.type == 'postgres' -%}
        {{ return(statsig_runs.refilled(existing, dbt.materialization_incremental_default)) }}
    {%- endif -%}
    {{ return(dbt.materialization_incremental_default()) }}
{% endmaterialization %}


{% materialization table, adapter='duckdb' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and existing.is_table and adapter.is_ducklake(existing) -%}
        {{ return(statsig_runs.refilled(existing, dbt.materialization_table_duckdb)) }}
    {%- endif -%}
    {{ return(dbt.materialization_table_duckdb()) }}
{% endmaterialization %}


{% materialization incremental, adapter='duckdb' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and existing.is_table and should_full_refresh() and adapter.is_ducklake(existing) -%}
        {{ return(statsig_runs.refilled(existing, dbt.materialization_incremental_duckdb)) }}
    {%- endif -%}
    {{ return(dbt.materialization_incremental_duckdb()) }}
{% endmaterialization %}


{# Columns that are new are added; where one is gone or of another type, `otherwise` makes the table anew. #}
{% macro refilled(existing, otherwise) -%}
    {%- set fresh = make_temp_relation(existing).include(database=false, schema=false).incorporate(type='table') -%}
    {%- do run_query(get_create_table_as_sql(True, fresh, sql)) -%}
    {%- set columns = adapter.get_columns_in_relation(fresh) -%}
    {%- set names = columns | map(attribute='name') | list -%}
    {%- set there = {} -%}
    {%- for column in adapter.get_columns_in_relation(existing) -%}
        {%- do there.update({column.name: column.data_type}) -%}
    {%- endfor -%}
    {%- set missing = [] -%}
    {%- set fitting = [] -%}
    {%- for column in columns -%}
        {%- if column.name not in there -%}
            {%- do missing.append(column) -%}
        {%- elif there[column.name] == column.data_type -%}
            {%- do fitting.append(column.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if fitting | length < there | length -%}
        {%- do adapter.drop_relation(fresh) -%}
        {{ return(otherwise()) }}
    {%- endif -%}
    {%- if missing -%}
        {%- do alter_relation_add_remove_columns(existing, missing, none) -%}
    {%- endif -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('main') -%}
        delete from {{ existing }};
        insert into {{ existing }} ({{ names | join(', ') }}) select {{ names | join(', ') }} from {{ fresh }};
    {%- endcall -%}
    {%- do adapter.drop_relation(fresh) -%}
    {%- do persist_docs(existing, model) -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [existing]}) }}
{%- endmacro %}


{# A view that says the same is left alone: to replace it, PostgreSQL makes its readers wait until the build is done. #}
{% materialization view, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is none or not existing.is_view -%}
        {{ return(dbt.materialization_view_default()) }}
    {%- endif -%}
    {{ run_hooks(pre_hooks) }}
    {%- set fresh = make_intermediate_relation(existing) -%}
    {%- call statement('main') -%}
        {{ get_create_view_as_sql(fresh, sql) }}
    {%- endcall -%}
    {%- set is_same = run_query(
        "select pg_get_viewdef('" ~ fresh ~ "'::regclass) = pg_get_viewdef('" ~ existing ~ "'::regclass)"
    ).rows[0][0] -%}
    {%- do run_query('drop view ' ~ fresh) -%}
    {%- if not is_same -%}
        {{ return(dbt.materialization_view_default()) }}
    {%- endif -%}
    {%- do persist_docs(existing, model) -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [existing]}) }}
{% endmaterialization %}
