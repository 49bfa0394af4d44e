{# What dashboards filter and join by, and what a build deletes by, where an engine has indexes that want to be made. Under
   fixed names: dbt's own `indexes` are made with a new table only, each time under another name. #}
{% macro index_for_readers() -%}
    {%- if target.type == 'postgres' and config.get('materialized') != 'view' -%}
        {%- for column in ['run_id', 'created_at'] if column in model.columns %}
            create index if not exists {{ this.identifier }}_{{ column }} on {{ this }} ({{ column }});
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
