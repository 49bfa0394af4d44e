{# How rows lie on the disk: by the day of their run, which dashboards filter by, where an engine is told so. Compiled for
   each of these, and run on none. #}
{% macro by_day(column='created_date') -%}
    {{ return({
        'bigquery': {'cluster_by': [column]},
        'snowflake': {'cluster_by': [column]},
        'databricks': {'liquid_clustered_by': column},
        'redshift': {'sort': column},
    }.get(target.type, {})) }}
{%- endmacro %}


{# What dashboards filter and join by, and what a build deletes by, where an engine has indexes that want to be made. Under
   fixed names: dbt's own `indexes` are made with a new table only, each time under another name. #}
{% macro index_for_readers() -%}
    {%- if target.type == 'postgres' and config.get('materialized') != 'view' -%}
        {%- for column in ['run_id', 'created_at'] if column in model.columns %}
            create index if not exists {{ this.identifier }}_{{ column }} on {{ this }} ({{ column }});
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
